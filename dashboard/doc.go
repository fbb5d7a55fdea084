// Package dashboard serves the pages on which operators see and steer a fleet: its nodes, queues,
// running jobs, dead letters, plans and commands.
//
//	board, err := dashboard.New(node, dashboard.Config{
//		Prefix: "/jobs/",
//		Queues: []dashboard.Queue{emails, reports},
//		Access: func(r *http.Request) dashboard.Access { return accessOf(userOf(r)) },
//	})
//	...
//	defer board.Close()
//	mux.Handle("/jobs/", board)
//
// The pages are HTML that the server makes. They work without JavaScript. With it, the numbers
// change as the fleet does, by one stream of events for each page. Nothing is loaded from
// elsewhere.
//
// # Who may do what
//
// [Config.Access] is asked for each request. Without it, only programs on the same machine get in.
// A change needs a POST from the same origin with a token, and is logged with its author: see
// [Config.Audit].
//
// # What it costs
//
// While no one looks, nothing: neither the broker nor the nodes are asked. While someone does, one
// goroutine asks them once a second, for all who look.
//
// docs/dashboard.md describes the pages, how to protect them, and their limits.
//
//snippets:needs node *fleet.Node; emails, reports *memory.Queue; mux *http.ServeMux
//snippets:needs userOf func(*http.Request) string; accessOf func(string) dashboard.Access
package dashboard
