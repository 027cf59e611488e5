<?php
/**
 * Where your Cartwheel is, such as https://cartwheel.example.com. The copy that you download from it says so here;
 * the constant CARTWHEEL_APP_URL in wp-config.php says it for any other copy.
 *
 * @package Cartwheel
 */

defined( 'ABSPATH' ) || exit;

return '';
