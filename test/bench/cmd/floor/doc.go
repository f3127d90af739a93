// Command floor is what nothing can go below: a single epoll loop that answers
// the handshakes of the load client with ready bytes and then writes ready
// frames to the sockets it is told to. Its rooms are lists of sockets that
// nobody leaves one by one; it has no heartbeat, no queue to speak of and no error
// handling worth the name. It is no server; it is a ruler.
package main
