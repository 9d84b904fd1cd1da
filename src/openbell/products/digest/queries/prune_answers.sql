-- Answers of models that are so old that nobody asks the same again.
delete from openbell.answer where made_at < (select openbell.now()) - $1::interval
