module podwhy/tests/klog/1.0.0

go 1.24

require (
	k8s.io/klog v1.0.0
	podwhy/tests/klog v0.0.0
)

replace podwhy/tests/klog => ../
