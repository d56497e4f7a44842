// webserver: net/http on the address given as argument, with 8 goroutines at work besides, until /quit is fetched or SIGTERM comes.
package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"
)

func main() {
	address := "0.0.0.0:8080"
	if len(os.Args) > 1 {
		address = os.Args[1]
	}
	var served, ticks int64
	work := make(chan chan int)
	for i := 0; i < 8; i++ {
		go func() {
			for reply := range work {
				atomic.AddInt64(&ticks, 1)
				sum := 0
				for k := 0; k < 1000; k++ {
					sum += k
				}
				reply <- sum
			}
		}()
	}
	mux := http.NewServeMux()
	server := &http.Server{Handler: mux}
	mux.HandleFunc("/hello", func(w http.ResponseWriter, r *http.Request) {
		reply := make(chan int)
		work <- reply
		n := atomic.AddInt64(&served, 1)
		w.Header().Set("X-Served", fmt.Sprint(n))
		fmt.Fprintf(w, "hello %s, sum %d\n", r.URL.Query().Get("name"), <-reply)
	})
	mux.HandleFunc("/big", func(w http.ResponseWriter, r *http.Request) {
		block := make([]byte, 10000)
		for i := range block {
			block[i] = byte('a' + i%26)
		}
		for i := 0; i < 100; i++ {
			w.Write(block)
		}
	})
	down := make(chan struct{})
	shutdown := func() {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		server.Shutdown(ctx)
		close(down)
	}
	mux.HandleFunc("/quit", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "bye")
		go shutdown()
	})
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM)
	go func() {
		fmt.Println("caught", <-signals)
		shutdown()
	}()
	l, err := net.Listen("tcp", address)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println("listening")
	if err := server.Serve(l); err != http.ErrServerClosed {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	<-down
	fmt.Println("served", atomic.LoadInt64(&served), "worked", atomic.LoadInt64(&ticks))
}
