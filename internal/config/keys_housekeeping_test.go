package config

import (
	"strings"
	"testing"
)

func TestIsSchedule(t *testing.T) {
	for text, want := range map[string]bool{
		"": true, "17 * * * *": true, "@every 1h": true, "@daily": true, "*/5 0-6 * * 1,3": true, "CRON_TZ=UTC 0 0 * * *": true,
		"* * * *": false, "60 * * * *": false, "17 * * * * *": false, "never": false, "@every": false, "@every x": false, " ": false,
	} {
		if got, why := isSchedule(text); got != want {
			t.Errorf("%q: %v %s", text, got, why)
		}
		c := Default()
		c.HousekeepingHourly, c.HousekeepingDaily = text, text
		err := c.Validate()
		if (err == nil) != want {
			t.Errorf("%q: %v", text, err)
		}
		if err != nil && (!strings.Contains(err.Error(), "housekeeping_hourly") || !strings.Contains(err.Error(), "housekeeping_daily")) {
			t.Errorf("%q: %v", text, err)
		}
	}
}
