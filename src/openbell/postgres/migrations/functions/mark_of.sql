-- Texts of any length as one short one, for an index: equal for equal texts, null included.
create or replace function openbell.mark_of(p_texts text[]) returns text
    language sql immutable parallel safe
    return md5(to_jsonb(p_texts)::text);
