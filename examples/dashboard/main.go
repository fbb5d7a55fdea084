// Dashboard shows package dashboard with a shop that is at work: three queues, three nodes, jobs
// that fail as jobs do, a mail server that is down now and then, and a schedule. Everything is in
// memory, so it needs nothing but Go.
//
//	go run ./examples/dashboard
//
// Then open the address that it prints. Pause a queue, cancel a job, give dead letters back: the
// shop follows.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/gentask/gentask/dashboard"
	"github.com/gentask/gentask/internal/terminal"
)

func main() {
	addr := flag.String("addr", "localhost:8080", "where the pages are served")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // the first signal drains, a second one ends the process at once
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", *addr)
	if err == nil {
		err = run(ctx, listener, os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "dashboard:", terminal.Text(err.Error()))
		os.Exit(1)
	}
}

// run opens the shop, and serves its pages until ctx ends. It returns when the jobs are drained.
func run(ctx context.Context, listener net.Listener, out io.Writer) error {
	s, err := open(ctx)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	// With Access unset, everyone on this machine may look and act, and no one else may.
	pages, err := dashboard.New(s.observer, dashboard.Config{
		Prefix: "/jobs/",
		Queues: []dashboard.Queue{s.orders, s.emails, s.thumbnails},
		Plans:  []dashboard.Plans{{Name: "shop", Plans: s.plans}},
		Logger: quiet,
	})
	if err != nil {
		return errors.Join(err, listener.Close(), s.close())
	}
	mux := http.NewServeMux()
	mux.Handle("/jobs/", pages)
	mux.Handle("GET /{$}", http.RedirectHandler("/jobs/", http.StatusSeeOther))
	fmt.Fprintf(out, "dashboard at http://%s/jobs/\nCtrl-C ends it\n", listener.Addr())

	ctx, stop := context.WithCancel(ctx)
	defer stop()
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	served := make(chan error, 1)
	go func() {
		defer stop()
		served <- server.Serve(listener)
	}()
	err = errors.Join(s.run(ctx), pages.Close(), server.Close())
	if failed := <-served; !errors.Is(failed, http.ErrServerClosed) {
		err = errors.Join(err, failed)
	}
	return errors.Join(err, s.close())
}
