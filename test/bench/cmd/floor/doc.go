// Command floor is what nothing can go below: a single epoll loop that answers
// the handshakes of the load client with ready bytes and then writes ready
// frames to the sockets it is told to. It has no rooms but the one everybody
// joins and the user rooms, no heartbeat, no queue to speak of and no error
// handling worth the name. It is no server; it is a ruler.
package main
