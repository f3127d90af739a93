module example.org/lightpush/business

go 1.24
