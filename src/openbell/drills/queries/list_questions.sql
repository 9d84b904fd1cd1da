-- Every paid question, by what was asked: how often an answer to it was charged, and how often nobody knows. The last part of a
-- key but one is the hash of the question.
select split_part(s.idempotency_key, ':', 3) as question,
    count(*) filter (where s.state = 'settled' and s.cost_micro > 0) as charged, count(*) filter (where s.state = 'unknown') as unknown
from openbell.spend s where s.provider = $1 and s.state <> 'released' group by 1
