package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/gentask/gentask"
	"github.com/gentask/gentask/queue"
)

// errDeclined is why an order is rolled back that was written already.
var errDeclined = errors.New("the payment was declined")

// order stores an order and its email job. Both exist, or neither does.
func (s *shop) order(ctx context.Context, to string) (id int64, err error) {
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		insert := s.sql(`INSERT INTO {}.purchase (email) VALUES ($1) RETURNING id`)
		if err := tx.QueryRow(ctx, insert, to).Scan(&id); err != nil {
			return err
		}
		job, err := Emails.Message(Email{id, to}, queue.Message{ID: fmt.Sprintf("order-%d", id)})
		if err != nil {
			return err
		}
		if err := s.outbox.PublishTx(ctx, tx, "emails", job); err != nil {
			return err
		}
		if strings.HasPrefix(to, "poor@") {
			return errDeclined
		}
		return nil
	})
	return id, err
}

// send is the job. It writes that the email was sent in a transaction with its key, so that a
// repetition of the message has no effect. The key is the message's ID, because the message may be
// relayed twice.
func (s *shop) send(ctx context.Context, e Email) error {
	job, _ := gentask.FromContext(ctx)
	return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		first, err := s.db.DedupTx(tx).First(ctx, "email "+job.ID())
		if err != nil || !first {
			return err
		}
		_, err = tx.Exec(ctx, s.sql(`INSERT INTO {}.sent (purchase, job) VALUES ($1, $2)`), e.Order, job.ID())
		return err
	})
}

// sql puts the schema into a statement.
func (s *shop) sql(text string) string {
	return strings.ReplaceAll(text, "{}", pgx.Identifier{s.schema}.Sanitize())
}

func (s *shop) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /orders", func(w http.ResponseWriter, r *http.Request) {
		var wanted struct {
			To string `json:"to"`
		}
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 64<<10)).Decode(&wanted); err != nil {
			http.Error(w, `want JSON like {"to": "anna@example.com"}`, http.StatusBadRequest)
			return
		}
		id, err := s.order(r.Context(), wanted.To)
		switch {
		case errors.Is(err, errDeclined):
			http.Error(w, err.Error(), http.StatusPaymentRequired)
		case err != nil:
			http.Error(w, "try again later", http.StatusServiceUnavailable)
		default:
			w.WriteHeader(http.StatusCreated)
			_ = json.NewEncoder(w).Encode(map[string]any{"order": id})
		}
	})
	mux.HandleFunc("GET /backlog", func(w http.ResponseWriter, r *http.Request) {
		backlog, err := s.outbox.Backlog(r.Context())
		if err != nil {
			http.Error(w, "try again later", http.StatusServiceUnavailable)
			return
		}
		_ = json.NewEncoder(w).Encode(backlog)
	})
	return mux
}
