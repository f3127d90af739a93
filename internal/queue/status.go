package queue

// Status is how a job stands, for reports.
type Status struct {
	Known   bool   // it waits, or is in the hands of a worker, or dead
	Attempt int    // attempts that are over
	Failed  int    // those of them that failed for reasons of their own
	Due     int64  // when it is or was due next, ms
	Dead    int64  // when it was given up, ms; 0 for not
	Reason  string // why
}
