package config

import "github.com/robfig/cron/v3"

const wantSchedule = "five fields of cron in UTC such as 17 * * * *, @every 1h or the like, or empty for never"

var housekeepingKeys = group("Housekeeping",
	Key{Name: "housekeeping_hourly", value: textValue{func(c *Config) *string { return &c.HousekeepingHourly },
		wantSchedule, isSchedule},
		Doc: "When the lists of rooms with somebody online are checked. One logic process at a time does it."},
	Key{Name: "housekeeping_daily", value: textValue{func(c *Config) *string { return &c.HousekeepingDaily },
		wantSchedule, isSchedule},
		Doc: "When clients are forgotten that were not seen for client_legacy_expire. One logic process at a time does it."},
)

// isSchedule accepts what the scheduler understands.
func isSchedule(s string) (bool, string) {
	if s == "" {
		return true, ""
	}
	if _, err := cron.ParseStandard(s); err != nil {
		return false, err.Error()
	}
	return true, ""
}
