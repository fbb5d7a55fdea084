package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/internal/brokertest"
)

// TestMain runs the shop itself in a process of its own: see startShop.
func TestMain(m *testing.M) {
	if args := os.Getenv("SHOP"); args != "" {
		a := strings.Split(args, " ")
		if err := run(context.Background(), a[0], a[1], a[2], a[3]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// TestKilledAtAnyPoint: the shop is killed again and again while orders come, some of which are
// rolled back. In the end each order that is in the table has its email, once, and there is no
// other email.
func TestKilledAtAnyPoint(t *testing.T) {
	const kills = 8
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	database := brokertest.Postgres(t)
	pool, err := pgxpool.New(ctx, database)
	require.NoError(t, err)
	defer pool.Close()
	schema := "shop_" + strings.ToLower(rand.Text()[:12])
	defer func() { _, _ = pool.Exec(context.Background(), "DROP SCHEMA IF EXISTS "+schema+" CASCADE") }()
	addr, dir := freeAddress(t), t.TempDir()

	customers, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	for n := range 4 {
		wg.Go(func() {
			for i := 0; customers.Err() == nil; i++ {
				buy(customers, addr, map[bool]string{true: "poor@example.com", false: "anna@example.com"}[(i+n)%3 == 0])
			}
		})
	}
	for range kills {
		shop := startShop(t, database, schema, dir, addr)
		awaitOrders(ctx, t, pool, schema, 30+mathrand.IntN(30))
		require.NoError(t, shop.Process.Kill())
		_ = shop.Wait()
	}
	shop := startShop(t, database, schema, dir, addr)
	awaitOrders(ctx, t, pool, schema, 10)
	stop()
	wg.Wait()
	count := func(what string) (n int) {
		require.NoError(t, pool.QueryRow(ctx, strings.ReplaceAll(what, "{}", schema)).Scan(&n))
		return n
	}
	require.Eventually(t, func() bool {
		return count(`SELECT count(*) FROM {}.purchase p WHERE NOT EXISTS (SELECT FROM {}.sent s WHERE s.purchase = p.id)`) == 0
	}, time.Minute, 20*time.Millisecond, "an order without an email")
	require.NoError(t, shop.Process.Signal(syscall.SIGKILL))
	_ = shop.Wait()
	require.Equal(t, count(`SELECT count(*) FROM {}.purchase`), count(`SELECT count(*) FROM {}.sent`), "a phantom, or a second email")
	require.Zero(t, count(`SELECT count(*) FROM {}.purchase WHERE email LIKE 'poor%'`))
	require.Greater(t, count(`SELECT count(*) FROM {}.purchase`), 30*kills)
}

// startShop starts the shop in a process of its own, and ends it after the test.
func startShop(t *testing.T, url, schema, dir, addr string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), "SHOP="+strings.Join([]string{url, schema, dir, addr}, " "))
	var log bytes.Buffer
	cmd.Stderr, cmd.Stdout = &log, &log
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		if t.Failed() {
			t.Log(log.String())
		}
	})
	return cmd
}

// awaitOrders waits for n more orders.
func awaitOrders(ctx context.Context, t *testing.T, pool *pgxpool.Pool, schema string, n int) {
	t.Helper()
	orders := func() (n int) {
		_ = pool.QueryRow(ctx, "SELECT count(*) FROM "+schema+".purchase").Scan(&n) // no table yet
		return n
	}
	before := orders()
	require.Eventually(t, func() bool { return orders() >= before+n }, time.Minute, 5*time.Millisecond)
}

// buy orders something, if the shop is open.
func buy(ctx context.Context, addr, to string) {
	body := strings.NewReader(fmt.Sprintf(`{"to": %q}`, to))
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+addr+"/orders", body)
	if err != nil {
		panic(err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err == nil {
		_ = answer.Body.Close()
		return
	}
	if !errors.Is(err, context.Canceled) {
		select { // the shop is closed at the moment
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
		}
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, l.Close()) }()
	return l.Addr().String()
}
