// spin: goroutines that never call anything while others wait for the processor: only a signal makes them give way.
package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"time"
)

func main() {
	procs := 1
	if len(os.Args) > 1 {
		procs, _ = strconv.Atoi(os.Args[1])
	}
	runtime.GOMAXPROCS(procs)
	stop := false
	counts := make([]int, procs+1)
	for g := range counts {
		go func(g int) {
			for !stop {
				counts[g]++
			}
		}(g)
	}
	// As many spinners as processors, and one: this timer is late forever unless one of them is preempted.
	for i := 0; i < 3; i++ {
		time.Sleep(15 * time.Millisecond)
		fmt.Println("awake", i)
	}
	started := 0
	for _, n := range counts {
		if n > 0 {
			started++
		}
	}
	stop = true
	fmt.Println("spinners that ran:", started == len(counts))
}
