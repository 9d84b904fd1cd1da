-- What waits is not sent; what was sent is still known to have been, to nobody by name. Letters that nobody else got go, too.
with mine as (
    select d.id, d.letter from openbell.delivery d where d.person_id = $1
), blank as (
    update openbell.delivery d
    set state = case when d.state in ('ready', 'held', 'cancelled') then 'skipped' else d.state end,
        note = case when d.state in ('ready', 'held', 'cancelled') then 'the recipient is gone' when d.state = 'failed' then 'failed' else d.note end,
        address = null, sent_to = null, ticker = null, letter = null, was = null
    from mine where d.id = mine.id
)
delete from openbell.letter l
where l.hash in (select mine.letter from mine)
    and not exists (select 1 from openbell.delivery d where d.letter = l.hash and d.person_id is distinct from $1)
