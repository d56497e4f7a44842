// routines: goroutines, channels, select, timers, mutexes, maps, garbage collection, panics, preemption.
package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"sort"
	"strings"
	"sync"
	"time"
)

func worker(jobs <-chan int, results chan<- int, wg *sync.WaitGroup) {
	defer wg.Done()
	for j := range jobs {
		results <- j * j
	}
}

func guarded() (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("recovered: %v", r)
		}
	}()
	var p *int
	*p = 1
	return nil
}

func main() {
	jobs, results := make(chan int, 10), make(chan int, 1000)
	var wg sync.WaitGroup
	for i := 0; i < 8; i++ {
		wg.Add(1)
		go worker(jobs, results, &wg)
	}
	for i := 0; i < 500; i++ {
		jobs <- i
	}
	close(jobs)
	wg.Wait()
	close(results)
	sum := 0
	for r := range results {
		sum += r
	}
	fmt.Println("sum", sum)

	// A goroutine that never yields must be preempted for main to go on (SIGURG).
	var stop bool
	go func() {
		for n := 0; !stop; n++ {
		}
	}()
	previous := runtime.GOMAXPROCS(1)
	time.Sleep(20 * time.Millisecond)
	fmt.Println("preempted")
	stop = true
	runtime.GOMAXPROCS(previous)

	select {
	case <-time.After(5 * time.Millisecond):
		fmt.Println("timer")
	case <-make(chan int):
	}
	fmt.Println(guarded())
	var zero int
	func() {
		defer func() { fmt.Println(recover()) }()
		fmt.Println(1 / zero)
	}()

	var mu sync.Mutex
	counts := map[string]int{}
	for i := 0; i < 50; i++ {
		wg.Add(1)
		go func(i int) {
			defer wg.Done()
			for k := 0; k < 100; k++ {
				mu.Lock()
				counts[fmt.Sprintf("key%d", (i+k)%7)]++
				mu.Unlock()
			}
		}(i)
	}
	wg.Wait()
	keys := make([]string, 0)
	for k := range counts {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	for _, k := range keys {
		fmt.Print(k, "=", counts[k], " ")
	}
	fmt.Println()

	var keep [][]byte
	for i := 0; i < 200; i++ {
		keep = append(keep, make([]byte, 100000))
		if i%50 == 49 {
			keep = nil
			runtime.GC()
		}
	}
	fmt.Println("collected", strings.Repeat("ok ", 3), len(keep))
	fmt.Printf("%v %.3f %e %q\n", []float64{1.5, 2.25}, 3.14159, 1e100, "text")
	if _, err := os.Open("/no/such/file"); errors.Is(err, os.ErrNotExist) {
		fmt.Println(err)
	}
	os.Exit(3)
}
