-- What a reviewer has found; done again, the later one holds.
insert into openbell.review (key, version, judge, verdict, findings, sentences, cost_micro)
values ($1, $2, $3, $4, $5, $6, $7)
on conflict (key, version) do update
set judge = excluded.judge, verdict = excluded.verdict, findings = excluded.findings, sentences = excluded.sentences,
    cost_micro = excluded.cost_micro, made_at = (select openbell.now())
