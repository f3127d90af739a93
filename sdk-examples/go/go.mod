module example.org/lightpush/receive

go 1.24

require github.com/coder/websocket v1.8.15
