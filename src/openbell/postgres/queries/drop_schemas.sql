drop schema if exists openbell, data cascade
