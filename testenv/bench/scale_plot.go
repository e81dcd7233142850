package bench

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// plots writes the pictures of docs/scaling.md.
func (r *scaleRun) plots(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	n := float64(r.all())
	back, drained, atRest := plot{title: fmt.Sprintf("An outage ends for %s sites at once", figure(n)), x: "seconds after the line is back", y: "sites greeted"},
		plot{title: fmt.Sprintf("%s sites bring %s events each", figure(n), figure(float64(r.config.events))), x: "seconds after the line is back", y: "% of the sites greeted, and of the events in the log"},
		plot{title: "The collector while nothing happens", x: "sites", y: "% of a core, and MB"}
	back.lines = []plotLine{{name: "greeted"}}
	for _, p := range r.storm.points {
		back.lines[0].add(p.after.Seconds(), float64(p.greeted))
	}
	drained.lines = []plotLine{{name: "sites greeted"}, {name: "events in the log"}}
	for _, p := range r.drain.points {
		drained.lines[0].add(p.after.Seconds(), 100*float64(p.greeted)/n)
		drained.lines[1].add(p.after.Seconds(), 100*float64(p.logged)/n/float64(r.config.events))
	}
	atRest.lines = []plotLine{{name: "% of a core"}, {name: "MB resident"}}
	atRest.lines[1].add(0, r.empty.Resident/megabyte)
	for _, p := range r.rests {
		atRest.lines[0].add(float64(p.sites), 100*p.processor)
		atRest.lines[1].add(float64(p.sites), p.memory.Resident/megabyte)
	}
	for name, p := range map[string]plot{"storm": back, "drain": drained, "rest": atRest} {
		if err := os.WriteFile(filepath.Join(dir, name+".svg"), []byte(p.svg()), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// plot is a small picture of lines. The same values give the same text.
type plot struct {
	title, x, y string
	lines       []plotLine
}

type plotLine struct {
	name string
	at   [][2]float64
}

func (l *plotLine) add(x, y float64) { l.at = append(l.at, [2]float64{x, y}) }

const (
	plotWidth, plotHeight = 640, 300
	plotLeft, plotRight   = 70, 20
	plotTop, plotBottom   = 40, 50
	// mostPoints is how many points of a line are drawn: more make the file large and the picture no better.
	mostPoints = 120
)

// plotColours can be told apart by those who see colours otherwise too.
var plotColours = []string{"#0072b2", "#d55e00"}

// svg draws it.
func (p plot) svg() string {
	var right, top float64
	for _, l := range p.lines {
		for _, at := range l.at {
			right, top = max(right, at[0]), max(top, at[1])
		}
	}
	right, top = rounded(right), rounded(top)
	px := func(v float64) float64 { return plotLeft + v/right*(plotWidth-plotLeft-plotRight) }
	py := func(v float64) float64 { return plotHeight - plotBottom - v/top*(plotHeight-plotTop-plotBottom) }
	var b strings.Builder
	fmt.Fprintf(&b, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" font-family=\"sans-serif\" font-size=\"12\">\n", plotWidth, plotHeight)
	fmt.Fprintf(&b, "<rect width=\"%d\" height=\"%d\" fill=\"#fff\"/>\n<text x=\"%d\" y=\"20\" font-size=\"14\">%s</text>\n", plotWidth, plotHeight, plotLeft, p.title)
	for i := range 5 {
		x, y := right*float64(i)/4, top*float64(i)/4
		fmt.Fprintf(&b, "<path d=\"M%.1f %.1fH%d\" stroke=\"#ddd\"/><text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%s</text>", px(0), py(y), plotWidth-plotRight, plotLeft-6, py(y)+4, figure(y))
		fmt.Fprintf(&b, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%s</text>\n", px(x), plotHeight-plotBottom+18, figure(x))
	}
	fmt.Fprintf(&b, "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">%s</text>\n", (plotLeft+plotWidth-plotRight)/2, plotHeight-12, p.x)
	fmt.Fprintf(&b, "<text x=\"16\" y=\"%d\" text-anchor=\"middle\" transform=\"rotate(-90 16 %d)\">%s</text>\n", plotHeight/2, plotHeight/2, p.y)
	for i, l := range p.lines {
		fmt.Fprintf(&b, "<polyline fill=\"none\" stroke=\"%s\" stroke-width=\"2\" points=\"", plotColours[i])
		step := max(1, (len(l.at)+mostPoints-1)/mostPoints)
		for n, at := range l.at {
			if n%step == 0 || n == len(l.at)-1 {
				fmt.Fprintf(&b, "%.1f,%.1f ", px(at[0]), py(at[1]))
			}
		}
		fmt.Fprintf(&b, "\"/>\n<text x=\"%d\" y=\"%d\" fill=\"%s\">%s</text>\n", plotLeft+10, plotTop+12+16*i, plotColours[i], l.name)
	}
	return b.String() + "</svg>\n"
}

// rounded is the next of 1, 2, 4, 5, 8 or 10 times a power of ten, so that an axis ends at a round number.
func rounded(v float64) float64 {
	unit := 1.0
	for unit*10 < v {
		unit *= 10
	}
	for unit > v && v > 0 {
		unit /= 10
	}
	for _, m := range []float64{1, 2, 4, 5, 8} {
		if v <= m*unit {
			return m * unit
		}
	}
	return 10 * unit
}
