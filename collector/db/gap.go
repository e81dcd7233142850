package db

// ArrivedOfGap counts, in SQL, the places of the lost gap g that have arrived since it was declared: a gap stays what the site said of it until
// all of it is there, and what was on its way while the site said so is not lost.
const ArrivedOfGap = `COALESCE((SELECT SUM((CASE WHEN r.hi < g.hi THEN r.hi ELSE g.hi END) - (CASE WHEN r.lo > g.lo THEN r.lo ELSE g.lo END) + 1) FROM received r
	WHERE g.cause = 'lost' AND r.tenant = g.tenant AND r.site = g.site AND r.epoch = g.epoch AND r.lo <= g.hi AND r.hi >= g.lo), 0)`
