select * from openbell.digest_neighbour
