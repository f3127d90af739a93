package engineio

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
)

// crowdAddress is the environment variable that makes the test binary a crowd.
const crowdAddress = "ENGINEIO_CROWD_ADDRESS"

const crowdQuery = "EIO=4&transport=websocket&uuid=0b4d1c9e-6d0d-4d7b-9c56-0e5d7bd2b1f3&platform=web&userid=100042"

// runCrowd is the main function of the second process. It obeys lines on its standard input: "connect <n>" adds
// clients, "received" prints how many bytes came after the handshakes, and the end of the input ends it.
func runCrowd(address string) {
	var received atomic.Int64
	commands := bufio.NewScanner(os.Stdin)
	for commands.Scan() {
		verb, arg, _ := strings.Cut(commands.Text(), " ")
		if verb == "received" {
			fmt.Println(received.Load())
			continue
		}
		n, _ := strconv.Atoi(arg)
		var joined sync.WaitGroup
		limit := make(chan struct{}, 64)
		for range n {
			limit <- struct{}{}
			joined.Add(1)
			go func() {
				nc, err := net.Dial("tcp", address)
				if err == nil {
					err = crowdHandshake(nc)
				}
				joined.Done()
				<-limit
				if err != nil {
					fmt.Fprintln(os.Stderr, "crowd:", err)
					return
				}
				buf := make([]byte, 1024)
				for err == nil {
					n, err = nc.Read(buf)
					received.Add(int64(n))
				}
			}()
		}
		joined.Wait()
		fmt.Println("connected")
	}
}

// crowdHandshake reads byte by byte up to the end of the open packet.
func crowdHandshake(nc net.Conn) error {
	request := "GET /socket.io/?" + crowdQuery + " HTTP/1.1\r\nHost: localhost:3000\r\nUser-Agent: crowd\r\n" +
		"Accept-Encoding: gzip, deflate\r\nAccept-Language: en\r\nOrigin: http://localhost\r\n" + wsHeaders + "\r\n"
	if _, err := io.WriteString(nc, request); err != nil {
		return err
	}
	b := make([]byte, 1)
	for end := byte('}'); b[0] != end; {
		if _, err := nc.Read(b); err != nil {
			return err
		}
	}
	return nil
}
