package main

import (
	"fmt"
	"image/color"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
)

// colors of the systems' bars, apart from each other for colour-blind readers
// too.
var colors = map[string]color.Color{
	"ours":    color.RGBA{0x00, 0x72, 0xB2, 0xff},
	"asynq":   color.RGBA{0xE6, 0x9F, 0x00, 0xff},
	"gocraft": color.RGBA{0x56, 0xB4, 0xE9, 0xff},
	"river":   color.RGBA{0x00, 0x9E, 0x73, 0xff},
	bullmq:    color.RGBA{0xCC, 0x79, 0xA7, 0xff},
}

// thousands labels an axis in whole thousands.
type thousands struct{}

func (thousands) Ticks(low, high float64) []plot.Tick {
	const step = 10_000
	var ticks []plot.Tick
	for v := 0.0; v <= high; v += step {
		ticks = append(ticks, plot.Tick{Value: v, Label: fmt.Sprintf("%.0fk", v/1000)})
	}
	return ticks
}

// draw writes the bars of the drain figures as an SVG file. It does nothing where
// none was measured.
func draw(path string, r *results) error {
	p := plot.New()
	p.Title.Text = "Tasks that do nothing, drained by one worker process"
	p.Y.Label.Text = "tasks per second"
	p.Y.Min = 0
	p.Legend.Top, p.Legend.Left = true, true
	p.Legend.Padding = vg.Points(2)
	p.Add(plotter.NewGrid())

	slots := []int{10, 50, 200}
	const width = 14
	drawn := 0
	for _, s := range peers {
		var values plotter.Values
		any := false
		for _, n := range slots {
			v, ok := r.median(place{drainLabel(n), names[s]})
			values = append(values, v)
			any = any || ok
		}
		if !any {
			continue
		}
		bars, err := plotter.NewBarChart(values, vg.Points(width))
		if err != nil {
			return err
		}
		bars.Color, bars.LineStyle.Width = colors[s], 0
		bars.Offset = vg.Points(width * (float64(drawn) - float64(len(peers)-1)/2))
		p.Add(bars)
		p.Legend.Add(names[s], bars)
		drawn++
	}
	if drawn == 0 {
		return nil
	}
	p.NominalX("10 slots", "50 slots", "200 slots")
	p.X.Min, p.X.Max = -0.5, float64(len(slots))-0.5
	p.Y.Max *= 1.05
	p.Y.Tick.Marker = thousands{}
	return p.Save(16*vg.Centimeter, 9*vg.Centimeter, path)
}
