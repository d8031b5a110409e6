package main

import (
	"fmt"
	"os/exec"
	"sort"
	"time"
)

// contestant makes a new command for each round.
type contestant func() *exec.Cmd

// clock runs a command and gives its time in milliseconds.
func clock(cmd *exec.Cmd) (float64, error) {
	start := time.Now()
	err := cmd.Run()
	took := float64(time.Since(start).Microseconds()) / 1000
	if err != nil {
		return 0, fmt.Errorf("%v: %w", cmd.Args, err)
	}
	return took, nil
}

// duel lets contestants take turns and gives each one's times, after one round
// that does not count.
func (b *bench) duel(all ...contestant) ([][]float64, error) {
	times := make([][]float64, len(all))
	for round := range b.rounds + 1 {
		for i := range all {
			// Every other round backward: nobody always comes second.
			if round%2 == 1 {
				i = len(all) - 1 - i
			}
			t, err := clock(all[i]())
			if err != nil {
				return nil, err
			}
			if round > 0 {
				times[i] = append(times[i], t)
			}
		}
	}
	return times, nil
}

func median(v []float64) float64 {
	s := append([]float64(nil), v...)
	sort.Float64s(s)
	n := len(s)
	if n == 0 {
		return 0
	}
	if n%2 == 1 {
		return s[n/2]
	}
	return (s[n/2-1] + s[n/2]) / 2
}

// pairs gives the median of the ratios of each round.
func pairs(mine, theirs []float64) float64 {
	r := make([]float64, len(mine))
	for i := range mine {
		r[i] = mine[i] / theirs[i]
	}
	return median(r)
}

// against prints a row with a ratio and counts it if it is over the budget.
func (b *bench) against(what string, mine, theirs []float64, most float64) {
	ratio := pairs(mine, theirs)
	b.row(what, fmt.Sprintf("%.1f ms", median(mine)), fmt.Sprintf("%.1f ms", median(theirs)),
		fmt.Sprintf("%.2f", ratio), fmt.Sprintf("<= %.2f", most), ratio <= most)
}

// above prints a row with a difference in milliseconds.
func (b *bench) above(what string, mine, theirs []float64, most float64) {
	d := make([]float64, len(mine))
	for i := range mine {
		d[i] = mine[i] - theirs[i]
	}
	more := median(d)
	b.row(what, fmt.Sprintf("%.1f ms", median(mine)), fmt.Sprintf("%.1f ms", median(theirs)),
		fmt.Sprintf("%+.1f", more), fmt.Sprintf("<= +%.0f ms", most), more <= most)
}

func (b *bench) row(what, mine, theirs, ratio, budget string, ok bool) {
	verdict := "met"
	if !ok {
		verdict = "MISSED"
		b.missed++
	}
	fmt.Printf("%-38s %10s %10s %8s   %-10s %s\n", what, mine, theirs, ratio, budget, verdict)
}
