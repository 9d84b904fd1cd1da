-- What was found in a version of a digest.
select judge, verdict, findings, sentences, cost_micro, made_at from openbell.review where key = $1 and version = $2
