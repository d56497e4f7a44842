// hello: the smallest Go program; its runtime does the interesting system calls.
package main

import "fmt"

func main() {
	fmt.Println("Hello from Go in ring 3")
}
