select d.message_id, d.kind, d.ticker, d.artifact, d.state, d.send_at from openbell.delivery d
