select edition, md5(content::text || made::text || made_at::text || xmin::text) as sum from openbell.picks_edition where week = $1
