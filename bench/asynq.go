package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
)

const redisDefault = "127.0.0.1:6379"

// onAsynq is asynq with so many workers, on a Redis that is set up as it comes. The clock stops
// when the last job has run, before its end is noted, which is in asynq's favour.
func onAsynq(workers int) side {
	return func(ctx context.Context, t *trial) error {
		at := asynq.RedisClientOpt{Addr: env("GENTASK_REDIS_ADDR", redisDefault)}
		inspector := asynq.NewInspector(at)
		defer func() { _ = inspector.Close() }()
		if _, err := inspector.Queues(); err != nil {
			return fmt.Errorf("%w: Redis at %s: %w", ErrNoServer, at.Addr, err)
		}
		queue := fmt.Sprintf("gentask-bench-%x", rand.Uint64())
		err := errors.Join(fillAsynq(ctx, t, at, queue), runAsynq(ctx, t, at, queue, workers), t.tally.check())
		if err == nil {
			err = checkAsynq(inspector, queue)
		}
		return errors.Join(err, inspector.DeleteQueue(queue, true), forget(context.WithoutCancel(ctx), at, queue))
	}
}

// forget deletes what asynq keeps of a queue that was deleted: its counters.
func forget(ctx context.Context, at asynq.RedisClientOpt, queue string) error {
	client := redis.NewClient(&redis.Options{Addr: at.Addr})
	keys, err := client.Keys(ctx, "asynq:{"+queue+"}:*").Result()
	if err == nil && len(keys) > 0 {
		err = client.Del(ctx, keys...).Err()
	}
	return errors.Join(err, client.Close())
}

// fillAsynq enqueues from a few goroutines: asynq takes one task at a time.
func fillAsynq(ctx context.Context, t *trial, at asynq.RedisClientOpt, queue string) error {
	const publishers = 16
	client := asynq.NewClient(at)
	defer func() { _ = client.Close() }()
	bodies := make(chan []byte, t.jobs)
	for _, body := range t.tally.bodies(usual) {
		bodies <- body
	}
	close(bodies)
	errs := make([]error, publishers)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() {
			for body := range bodies {
				_, err := client.EnqueueContext(ctx, asynq.NewTask("job", body), asynq.Queue(queue), asynq.MaxRetry(20))
				if err != nil {
					errs[i] = err
					return
				}
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

func runAsynq(ctx context.Context, t *trial, at asynq.RedisClientOpt, queue string, workers int) error {
	s := asynq.NewServer(at, asynq.Config{
		Concurrency: workers, Queues: map[string]int{queue: 1}, Logger: silent{}, LogLevel: asynq.FatalLevel,
		TaskCheckInterval: 10 * time.Millisecond,
	})
	t.begin()
	err := s.Start(asynq.HandlerFunc(func(_ context.Context, task *asynq.Task) error {
		t.tally.ran(task.Payload())
		return nil
	}))
	if err != nil {
		return err
	}
	err = t.tally.wait(ctx)
	t.end()
	s.Shutdown()
	return err
}

func checkAsynq(inspector *asynq.Inspector, queue string) error {
	info, err := inspector.GetQueueInfo(queue)
	if err == nil && info.Size != 0 {
		err = fmt.Errorf("not everything is done: %+v", info)
	}
	return err
}

// silent is a logger that drops everything.
type silent struct{}

// Debug implements asynq.Logger.
func (silent) Debug(...any) {}

// Info implements asynq.Logger.
func (silent) Info(...any) {}

// Warn implements asynq.Logger.
func (silent) Warn(...any) {}

// Error implements asynq.Logger.
func (silent) Error(...any) {}

// Fatal implements asynq.Logger.
func (silent) Fatal(...any) {}
