module podwhy/tests/klog/2.140.0

go 1.24

require (
	k8s.io/klog/v2 v2.140.0
	podwhy/tests/klog v0.0.0
)

require github.com/go-logr/logr v1.4.1 // indirect

replace podwhy/tests/klog => ../
