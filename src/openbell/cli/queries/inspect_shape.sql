-- What the view and the table of a product are like, and whether all rows are in it.
select s.shape, s.filled_to is not null as filling, s.trouble, s.trouble_at from openbell.shape s where s.product = $1
