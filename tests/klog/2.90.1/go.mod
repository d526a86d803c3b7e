module podwhy/tests/klog/2.90.1

go 1.24

require (
	k8s.io/klog/v2 v2.90.1
	podwhy/tests/klog v0.0.0
)

require github.com/go-logr/logr v1.2.0 // indirect

replace podwhy/tests/klog => ../
