select count(*) from openbell.delivery where kind like 'digest%' and state in ('ready', 'held')
