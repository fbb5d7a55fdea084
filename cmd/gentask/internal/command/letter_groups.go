package command

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gentask/gentask/cmd/gentask/internal/terminal"
	"github.com/gentask/gentask/queue"
)

// letterGroup is what letters list --group writes as JSON: the letters of one panic, or with the
// same pattern of their reason.
type letterGroup struct {
	Letters     int       `json:"letters"`
	Oldest      time.Time `json:"oldest,omitzero"`
	Newest      time.Time `json:"newest,omitzero"`
	Example     string    `json:"example"` // the ID of one
	Fingerprint string    `json:"fingerprint,omitempty"`
	Reason      string    `json:"reason"` // the first line of that one's
}

// mostGroups bounds the memory for letters whose reasons all differ. Those beyond are counted
// together.
const mostGroups = 10_000

func groupLetters(ctx context.Context, s *session) error {
	groups := map[string]*letterGroup{}
	n, err := s.each(ctx, func(l *queue.Letter) { addToGroup(groups, l) })
	if err != nil {
		return err
	}
	if n == 0 {
		s.screen.Notef("no letter matches")
	}
	all := make([]*letterGroup, 0, len(groups))
	for _, g := range groups {
		all = append(all, g)
	}
	slices.SortFunc(all, func(a, b *letterGroup) int {
		return cmp.Or(cmp.Compare(b.Letters, a.Letters), cmp.Compare(a.Reason, b.Reason))
	})
	table := s.screen.Table("LETTERS", "OLDEST", "NEWEST", "EXAMPLE", "FINGERPRINT", "REASON")
	for _, g := range all {
		if s.screen.IsJSON() {
			s.screen.Object(g)
			continue
		}
		table.Row(terminal.Plain(strconv.Itoa(g.Letters), moment(g.Oldest), moment(g.Newest), g.Example, g.Fingerprint,
			g.Reason)...)
	}
	table.Close()
	return nil
}

// addToGroup counts a letter: by its fingerprint if it has one, because the text of a panic may
// have addresses in it, and by the pattern of its reason otherwise.
func addToGroup(groups map[string]*letterGroup, l *queue.Letter) {
	reason, _, _ := strings.Cut(l.Reason, "\n")
	key := "reason " + queue.ReasonPattern(reason)
	if l.Fingerprint != "" {
		key = "panic " + l.Fingerprint
	}
	if groups[key] == nil && len(groups) >= mostGroups {
		key, reason = "others", "(others)"
	}
	g := groups[key]
	if g == nil {
		g = &letterGroup{Example: l.ID, Fingerprint: l.Fingerprint, Reason: reason, Oldest: l.DeadAt, Newest: l.DeadAt}
		groups[key] = g
	}
	g.Letters++
	if l.DeadAt.Before(g.Oldest) {
		g.Oldest = l.DeadAt
	}
	if l.DeadAt.After(g.Newest) {
		g.Newest = l.DeadAt
	}
}
