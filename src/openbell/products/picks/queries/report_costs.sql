-- What each edition of a week has cost: paid answers, tokens, how long they took. More than one paid answer is a duplicate unless
-- an operator has let it be asked for again.
select s.edition, s.person_id, s.week, s.status, s.reason,
    count(a.number) filter (where a.paid)::int as paid, greatest(count(a.number) filter (where a.paid and not a.given_up) - 1, 0)::int as duplicates,
    coalesce(sum(a.cost_micro), 0)::bigint as cost_micro, count(*) filter (where a.paid and a.cost_micro is null)::int as price_unknown,
    coalesce(sum(a.input_tokens), 0)::bigint as input_tokens, coalesce(sum(a.output_tokens), 0)::bigint as output_tokens,
    string_agg(distinct a.model, ', ') as models, extract(epoch from max(a.answered_at - a.asked_at))::float8 as longest_s
from openbell.picks_slot s
left join lateral (
    select p.*, p.failure is null or p.cost_micro is null or p.cost_micro > 0 or coalesce(p.answer ->> 'text', '') <> '' as paid
    from openbell.picks_answer p where p.edition = s.edition
) a on true
where s.week = $1
group by s.edition
order by s.person_id nulls first
