#include "base/bytes.hpp"
