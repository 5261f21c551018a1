#include "base/file.hpp"
