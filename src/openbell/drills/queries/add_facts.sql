insert into openbell.picks_fact (week, ticker, fact)
select $1, f ->> 'ticker', f from jsonb_array_elements($2::jsonb) f
