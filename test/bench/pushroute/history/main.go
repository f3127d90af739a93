// Command history is an HTTP server that publishes into a channel with a
// history in Redis: one script per publication that counts it, appends it to a
// stream of bounded length, renews two lifetimes and publishes it. That is
// what Centrifugo documents of publishing with history; requests that come at
// the same time share a pipeline. It does nothing else, so what it costs is a
// floor of what such a server costs. It is a peer of test/bench/pushroute.
package main

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	bodyMax   = 1 << 20
	batchMax  = 512
	queueMax  = 10_000
	streamMax = 1_000
	lifetime  = 24 * 3600 // s
)

// publish has the keys of the channel's meta record and stream, and the
// arguments data, stream length, lifetime and Pub/Sub channel.
var publish = redis.NewScript(`
local offset = redis.call('HINCRBY', KEYS[1], 's', 1)
redis.call('EXPIRE', KEYS[1], ARGV[3])
redis.call('XADD', KEYS[2], 'MAXLEN', ARGV[2], offset, 'd', ARGV[1])
redis.call('EXPIRE', KEYS[2], ARGV[3])
redis.call('PUBLISH', ARGV[4], ARGV[1])
return offset`)

type publication struct {
	channel string
	data    []byte
	answer  chan result // capacity 1
}

type result struct {
	offset int64
	err    error
}

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "address to serve")
	address := flag.String("redis", "127.0.0.1:6379", "address of Redis")
	flag.Parse()
	if err := run(*listen, *address, os.Getenv("CREDENTIALS")); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(listen, address, credentials string) error {
	client := redis.NewClient(&redis.Options{Addr: address})
	defer client.Close()
	ctx := context.Background()
	if err := publish.Load(ctx, client).Err(); err != nil {
		return fmt.Errorf("load the script: %w", err)
	}
	queue := make(chan publication, queueMax)
	for range 4 { // batches under way at once
		go commit(ctx, client, queue)
	}
	http.HandleFunc("POST /api/publish", func(w http.ResponseWriter, r *http.Request) { handle(w, r, queue, credentials) })
	server := &http.Server{Addr: listen, ReadHeaderTimeout: 5 * time.Second}
	return server.ListenAndServe()
}

func handle(w http.ResponseWriter, r *http.Request, queue chan<- publication, credentials string) {
	if subtle.ConstantTimeCompare([]byte(r.Header.Get("Authorization")), []byte(credentials)) != 1 {
		http.Error(w, "unauthorized", http.StatusUnauthorized)
		return
	}
	var request struct {
		Room     string          `json:"room"`
		PushData json.RawMessage `json:"pushData"`
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, bodyMax))
	if err == nil {
		err = json.Unmarshal(body, &request)
	}
	if err != nil || request.Room == "" {
		http.Error(w, "bad request", http.StatusBadRequest)
		return
	}
	p := publication{channel: request.Room, data: request.PushData, answer: make(chan result, 1)}
	queue <- p
	answer := <-p.answer
	if answer.err != nil {
		http.Error(w, "unavailable", http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"result":{"offset":%d}}`, answer.offset)
}

// commit sends what waits as one pipeline, again and again.
func commit(ctx context.Context, client *redis.Client, queue <-chan publication) {
	for first := range queue {
		batch := []publication{first}
	gather:
		for len(batch) < batchMax {
			select {
			case p := <-queue:
				batch = append(batch, p)
			default:
				break gather
			}
		}
		pipe := client.Pipeline()
		replies := make([]*redis.Cmd, len(batch))
		for i, p := range batch {
			replies[i] = publish.EvalSha(ctx, pipe,
				[]string{"meta." + p.channel, "stream." + p.channel}, p.data, streamMax, lifetime, "channel."+p.channel)
		}
		if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
			fmt.Fprintln(os.Stderr, "pipeline:", err)
		}
		for i, p := range batch {
			offset, err := replies[i].Int64()
			p.answer <- result{offset, err}
		}
	}
}
