#include "store/store_uri.hpp"
