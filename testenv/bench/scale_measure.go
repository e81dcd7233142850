package bench

// measures gives out what a run has seen, by site and by event.
func (r *scaleRun) measures(s *Suite) {
	n := float64(r.all())
	last := r.rests[len(r.rests)-1]
	for _, p := range r.rests {
		name := figure(float64(p.sites)) + " sites at rest, "
		s.absolute(name+"shown as they are at every look", float64(p.right), "sites", atLeast(float64(p.sites)))
		s.absolute(name+"processor of the collector for each 1,000", 100*p.processor*1000/float64(p.sites), "% of a core", atMost(15))
	}
	s.absolute("memory of the collector for each site at rest", (last.memory.Resident-r.empty.Resident)/n/1000, "kB", atMost(150))
	s.absolute("open files of the collector for each site", last.files/n, "files", atMost(1.1))
	s.absolute("line of a site at rest, both ways, TLS included", (last.up+last.down)/n, "B/s", atMost(150))
	s.absolute("memory of a simulated site, journal, uplink and line", last.siteMemory.Anonymous/n/1000, "kB", atMost(400))

	s.beside("an outage ends for all at once: greeted and shown so", n/r.storm.took.Seconds(), "sites/s", reference{name: "connections with certificates at both ends that this machine makes at best", value: r.limits.handshakes}, atLeast(0.03))
	s.absolute("an outage ends for all at once: attempts for each site", float64(r.storm.attempts)/n, "attempts", atMost(8))
	s.absolute("an outage ends for all at once: processor of the collector for each site", r.storm.processor.Seconds()*1000/n, "ms", atMost(15))
	s.absolute("an outage ends for all at once: line of each site, both ways, TLS included", float64(r.storm.up+r.storm.down)/n, "B", atMost(12_000))
	s.absolute("an outage ends for all at once: memory of the collector for each site, the most", (r.storm.memory.Resident-r.empty.Resident)/n/1000, "kB", atMost(250))

	events := float64(r.drain.events)
	s.beside("drain of all, line back to the last in the log and acknowledged", events/r.drain.took.Seconds(), "events/s", reference{name: "the database's INSERT ON CONFLICT, 1,000 rows a commit", value: r.limits.insert}, atLeast(0.1))
	s.absolute("drain of all, wire an event upward (TLS included), without the links", r.perEvent(r.drain.up, r.storm.up), "B", atMost(75))
	s.absolute("drain of all, processor of the collector for 100,000 events, links included", r.drain.processor.Seconds()/events*1e5, "s", atMost(60))
	s.absolute("drain of all, memory of the collector, the most", r.drain.memory.Resident/megabyte, "MB", atMost(300+0.25*n))
	s.absolute("drain of all, envelopes sent, for each that was needed", float64(r.drain.sent)/float64(r.drain.sent-r.drain.resent), "x", atMost(1.5))

	s.absolute("each site one event: in the log, processor of the collector for an event, rest included", r.live.processor.Seconds()*1000/n, "ms", atMost(30))
	s.absolute("the first page of the console with all sites", r.page.Seconds(), "s", atMost(5))
}
