<?php
/**
 * Plugin Name: Cartwheel for WooCommerce
 * Description: Tells your Cartwheel of carts that are left at the checkout, asks for consent, brings shoppers back to their cart, and shows Cartwheel inside WordPress.
 * Version: 1.0.0
 * Requires at least: 6.1
 * Requires PHP: 7.4
 * Requires Plugins: woocommerce
 * WC requires at least: 8.0
 * WC tested up to: 10.5
 * Author: The Cartwheel authors
 * License: GPL-2.0-or-later
 * License URI: https://www.gnu.org/licenses/gpl-2.0.html
 * Text Domain: cartwheel
 *
 * @package Cartwheel
 */

defined( 'ABSPATH' ) || exit;

define( 'CARTWHEEL_VERSION', '1.0.0' );
define( 'CARTWHEEL_FILE', __FILE__ );

require_once __DIR__ . '/includes/class-cartwheel-settings.php';
require_once __DIR__ . '/includes/class-cartwheel-checkouts.php';
require_once __DIR__ . '/includes/class-cartwheel-install.php';
require_once __DIR__ . '/includes/class-cartwheel-token.php';
require_once __DIR__ . '/includes/class-cartwheel-connection.php';
require_once __DIR__ . '/includes/class-cartwheel-webhooks.php';
require_once __DIR__ . '/includes/class-cartwheel-cart.php';
require_once __DIR__ . '/includes/class-cartwheel-consent.php';
require_once __DIR__ . '/includes/class-cartwheel-capture.php';
require_once __DIR__ . '/includes/class-cartwheel-recovery.php';
require_once __DIR__ . '/includes/class-cartwheel-privacy.php';
require_once __DIR__ . '/includes/class-cartwheel-admin.php';
require_once __DIR__ . '/includes/class-cartwheel-settings-page.php';

register_activation_hook( __FILE__, array( 'Cartwheel_Install', 'activate' ) );
register_deactivation_hook( __FILE__, array( 'Cartwheel_Install', 'deactivate' ) );

add_action( 'before_woocommerce_init', 'cartwheel_declare_compatibility' );
add_action( 'plugins_loaded', 'cartwheel_start' );

/**
 * Says that orders in their own tables and the block checkout are no trouble to us.
 */
function cartwheel_declare_compatibility() {
	if ( class_exists( '\Automattic\WooCommerce\Utilities\FeaturesUtil' ) ) {
		foreach ( array( 'custom_order_tables', 'cart_checkout_blocks' ) as $feature ) {
			\Automattic\WooCommerce\Utilities\FeaturesUtil::declare_compatibility( $feature, CARTWHEEL_FILE, true );
		}
	}
}

/**
 * Hooks everything in. What people keep of a shopper is shown and erased also while WooCommerce is switched off.
 */
function cartwheel_start() {
	Cartwheel_Install::init();
	Cartwheel_Privacy::init();
	Cartwheel_Settings_Page::init();
	Cartwheel_Admin::init();
	if ( class_exists( 'WooCommerce' ) ) {
		Cartwheel_Webhooks::init();
		Cartwheel_Consent::init();
		Cartwheel_Capture::init();
		Cartwheel_Recovery::init();
	}
}
