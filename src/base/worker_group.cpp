#include "base/worker_group.hpp"
