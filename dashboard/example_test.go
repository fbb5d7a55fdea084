package dashboard_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/dashboard"
	"github.com/gentask/gentask/fleet"
	"github.com/gentask/gentask/queue/memory"
)

// A service has the dashboard beside its own pages. Operators may act, all others of the company
// may look, and no one else sees anything.
func ExampleNew() {
	ctx := context.Background()
	broker, emails := memory.NewBroker(), memory.New(memory.Config{Name: "emails"}) // a program has those of a driver
	defer emails.Close()
	consumer, err := gentask.New(emails, gentask.Handle(func(context.Context, string) error { return nil }), gentask.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	node, err := fleet.Join(ctx, broker, fleet.Config{}, consumer)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer node.Close()

	board, err := dashboard.New(node, dashboard.Config{
		Prefix: "/jobs/",
		Queues: []dashboard.Queue{emails},
		Access: func(r *http.Request) dashboard.Access {
			switch user, _, _ := r.BasicAuth(); user { // a service has its own way to find out who it is
			case "ana":
				return dashboard.AccessOperate
			case "ben":
				return dashboard.AccessRead
			}
			return dashboard.AccessNone
		},
		Author: func(r *http.Request) string { user, _, _ := r.BasicAuth(); return user },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer board.Close()
	mux := http.NewServeMux()
	mux.Handle("/jobs/", board)
	server := httptest.NewServer(mux)
	defer server.Close()

	for _, user := range []string{"ana", "ben", "eve"} {
		r, _ := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+"/jobs/queue?queue=emails", nil)
		r.SetBasicAuth(user, "")
		res, err := server.Client().Do(r)
		if err != nil {
			fmt.Println(err)
			return
		}
		page, _ := io.ReadAll(res.Body)
		res.Body.Close()
		fmt.Println(user, res.StatusCode, "buttons:", strings.Contains(string(page), "Pause"))
	}
	// Output:
	// ana 200 buttons: true
	// ben 200 buttons: false
	// eve 403 buttons: false
}
