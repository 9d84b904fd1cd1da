select * from openbell.flag_rule
