select * from openbell.product
