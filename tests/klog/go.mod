module podwhy/tests/klog

go 1.24
