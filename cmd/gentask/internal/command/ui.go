package command

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os/exec"
	"runtime"
	"sync"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/gentask/gentask/dashboard"
	"github.com/gentask/gentask/fleet"
)

func (a *app) ui() *cli.Command {
	return &cli.Command{
		Name: "ui", Usage: "serve the dashboard to the browser of this machine", ArgsUsage: "[QUEUE...]",
		Description: `ui serves package dashboard on a loopback address until it is interrupted, and
writes its address. The address has a random token in it: without that, or the cookie that it sets,
no request is answered. In a terminal it opens the browser. Without names it shows the queues that
the command queues shows.`,
		Flags: []cli.Flag{
			&cli.IntFlag{Name: "port", Usage: "port on 127.0.0.1, 0 for a free one", HideDefault: true},
			&cli.BoolFlag{Name: "no-open", Usage: "do not open the browser", HideDefault: true},
			&cli.BoolFlag{Name: "read-only", Usage: "show everything, and let nothing be changed", HideDefault: true},
		},
		Action: a.do(spec{most: -1}, serve),
	}
}

func serve(ctx context.Context, s *session) error {
	names := s.Args().Slice()
	if len(names) == 0 {
		var err error
		if names, err = s.names(ctx); err != nil {
			return err
		}
	}
	var queues []dashboard.Queue
	for _, name := range names {
		q, err := s.queue(ctx, name)
		if err != nil {
			return err
		}
		queues = append(queues, q)
	}
	return s.withNode(ctx, func(ctx context.Context, n *fleet.Node) (err error) {
		access := dashboard.AccessOperate
		if s.Bool("read-only") {
			access = dashboard.AccessRead
		}
		page, err := dashboard.New(n, dashboard.Config{
			Queues: queues, Logger: slog.New(logHandler(s.app.Err, s.screen.IsJSON(), slog.LevelInfo)),
			Access: func(*http.Request) dashboard.Access { return access }, // guarded has checked the token
			Author: func(*http.Request) string { return user() },
		})
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, page.Close()) }()
		return s.listen(ctx, page)
	})
}

// listen serves the page until ctx ends.
func (s *session) listen(ctx context.Context, page http.Handler) error {
	address := fmt.Sprintf("127.0.0.1:%d", s.Int("port"))
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return usagef("--port: %w", err)
	}
	token := rand.Text()
	server := &http.Server{
		Handler: guarded(token, listener.Addr().String(), page), ReadHeaderTimeout: s.Duration("patience"),
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	link := fmt.Sprintf("http://%s/?token=%s", listener.Addr(), token)
	if s.screen.IsJSON() {
		s.screen.Object(uiLine{link})
	} else {
		s.screen.Printf("%s\n", link)
	}
	s.screen.Flush()
	var work sync.WaitGroup
	if s.screen.IsTerminal() && !s.Bool("no-open") {
		work.Go(func() { browse(ctx, link) })
	}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() }) // streams of pages do not end by themselves
	defer stop()
	err = server.Serve(listener)
	work.Wait()
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// uiLine is what ui writes as JSON.
type uiLine struct {
	URL string `json:"url"`
}

// browse opens an address in the browser. If there is none, the address was written.
func browse(ctx context.Context, link string) {
	opener := "xdg-open"
	if runtime.GOOS == "darwin" {
		opener = "open"
	}
	_ = exec.CommandContext(ctx, opener, link).Run() // there may be no such program
}

// cookie is the name of the cookie with the token. It has the port, because browsers send cookies
// of one host to all ports.
const cookie = "gentask-ui-"

// guarded lets only requests with the token pass: in the address, which sets the cookie, or in the
// cookie. A request for another host is refused, because a page of a foreign site may have made it
// by a name that leads to this machine.
func guarded(token, host string, next http.Handler) http.Handler {
	_, port, _ := net.SplitHostPort(host)
	same := func(given string) bool { return subtle.ConstantTimeCompare([]byte(given), []byte(token)) == 1 }
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Host != host {
			http.Error(w, "want the address that gentask ui has written", http.StatusMisdirectedRequest)
			return
		}
		if r.Method == http.MethodGet && same(r.URL.Query().Get("token")) {
			http.SetCookie(w, &http.Cookie{
				Name: cookie + port, Value: token, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode,
				Expires: time.Now().Add(24 * time.Hour),
			})
			http.Redirect(w, r, r.URL.Path, http.StatusSeeOther)
			return
		}
		if c, err := r.Cookie(cookie + port); err != nil || !same(c.Value) {
			http.Error(w, "want the address that gentask ui has written, with its token", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}
