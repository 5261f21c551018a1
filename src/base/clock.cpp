#include "base/clock.hpp"
