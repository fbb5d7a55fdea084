package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
)

// report is what became of the mutants of a run.
type report struct {
	mutants []*mutant
	argued  argued
}

func newReport(mutants []*mutant, a argued) *report { return &report{mutants, a} }

// print prints a table of the files, and the survivors that the list and the code disagree about.
func (r *report) print(out io.Writer, p plan) {
	files := map[string]*row{}
	var names []string
	all := newRow(len(p))
	for _, m := range r.mutants {
		if files[m.file] == nil {
			files[m.file] = newRow(len(p))
			names = append(names, m.file)
		}
		r.count(files[m.file], m)
		r.count(all, m)
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprint(w, "\nfile\tmutants")
	for _, s := range p {
		fmt.Fprint(w, "\t", s.name)
	}
	fmt.Fprintln(w, "\targued\tnot argued\tof these not reached")
	for _, name := range names {
		files[name].print(w, name)
	}
	all.print(w, "all")
	_ = w.Flush()
	for _, m := range r.mutants {
		if _, listed := r.argued[m.key]; listed && m.outcome == killed {
			fmt.Fprintf(out, "listed in survivors.txt, but killed by %s: %s\n", m.killer, m.key)
		}
	}
}

// row is the figures of one file.
type row struct {
	mutants    int
	killed     []int // for each stage
	argued     int
	unargued   int
	notReached int
}

func newRow(stages int) *row { return &row{killed: make([]int, stages)} }

func (r *report) count(to *row, m *mutant) {
	to.mutants++
	if m.outcome == killed {
		to.killed[m.stage]++
	}
	if !m.lives() {
		return
	}
	if _, listed := r.argued[m.key]; listed {
		to.argued++
	} else {
		to.unargued++
	}
	if m.outcome == notReached {
		to.notReached++
	}
}

func (r *row) print(w io.Writer, name string) {
	fmt.Fprintf(w, "%s\t%d", name, r.mutants)
	for _, n := range r.killed {
		fmt.Fprintf(w, "\t%d", n)
	}
	fmt.Fprintf(w, "\t%d\t%d\t%d\n", r.argued, r.unargued, r.notReached)
}

// err returns an error if a mutant survived that is not argued.
func (r *report) err() error {
	var keys []string
	for _, m := range r.mutants {
		if _, listed := r.argued[m.key]; m.lives() && !listed {
			keys = append(keys, fmt.Sprintf("%s (%s)", m.key, m.outcome))
		}
	}
	if len(keys) == 0 {
		return nil
	}
	return fmt.Errorf("%d survivors: kill each with a test, or argue it in survivors.txt:\n%s", len(keys), strings.Join(keys, "\n"))
}

// write writes a line for each mutant.
func (r *report) write(path string) error {
	var b strings.Builder
	sorted := slices.SortedFunc(slices.Values(r.mutants), func(a, b *mutant) int {
		return cmp.Or(cmp.Compare(a.outcome, b.outcome), cmp.Compare(a.id, b.id))
	})
	for _, m := range sorted {
		fmt.Fprintf(&b, "%s\t%d\t%s\t%s\n", m.outcome, m.stage, m.killer, m.key)
	}
	return os.WriteFile(path, []byte(b.String()), 0o644)
}
