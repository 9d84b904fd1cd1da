select b.at, b.hours, b.figures from openbell.baseline b where b.flag = $1
