select number, provider, model, effort, prompt, ref, answer, failure, cost_micro, asked_at, answered_at, given_up
from openbell.picks_answer where edition = $1 order by number
