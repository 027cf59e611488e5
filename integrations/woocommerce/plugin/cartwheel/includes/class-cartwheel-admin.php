<?php
/**
 * The page of wp-admin that shows Cartwheel.
 *
 * @package Cartwheel
 */

defined( 'ABSPATH' ) || exit;

/**
 * Adds the menu, draws the frame, and renews the token that the frame works with.
 */
final class Cartwheel_Admin {

	const SLUG       = 'cartwheel';
	const CAPABILITY = 'manage_woocommerce'; // Administrators and shop managers.
	const NONCE      = 'cartwheel-token';
	const FRAME_PATH = '/woocommerce/admin';
	const PARAMETER  = 'wordpress_token';
	const LANGUAGE   = 'locale';

	/**
	 * Hooks in.
	 */
	public static function init() {
		add_action( 'admin_menu', array( __CLASS__, 'add_menu' ) );
		add_action( 'admin_enqueue_scripts', array( __CLASS__, 'add_script' ) );
		add_action( 'wp_ajax_cartwheel_token', array( __CLASS__, 'renew' ) );
		add_action( 'admin_notices', array( __CLASS__, 'miss_woocommerce' ) );
		add_filter( 'plugin_action_links_' . plugin_basename( CARTWHEEL_FILE ), array( __CLASS__, 'add_links' ) );
	}

	/**
	 * Adds Cartwheel and its settings to the menu.
	 */
	public static function add_menu() {
		$title = __( 'Cartwheel', 'cartwheel' );
		add_menu_page( $title, $title, self::CAPABILITY, self::SLUG, array( __CLASS__, 'show' ), 'dashicons-email-alt', 56 );
		add_submenu_page( self::SLUG, $title, $title, self::CAPABILITY, self::SLUG, array( __CLASS__, 'show' ) );
		Cartwheel_Settings_Page::add_menu();
	}

	/**
	 * Draws the page.
	 */
	public static function show() {
		if ( ! current_user_can( self::CAPABILITY ) ) {
			wp_die( esc_html__( 'You may not see this page.', 'cartwheel' ), 403 );
		}
		$token = self::token();
		if ( null === $token ) {
			self::show_unconnected();
			return;
		}
		printf(
			'<div class="wrap cartwheel-page"><h1 class="screen-reader-text">%s</h1>' .
			'<p class="cartwheel-trouble notice notice-warning" id="cartwheel-trouble" role="status" hidden>%s</p>' .
			'<iframe id="cartwheel-frame" title="%s" src="%s" referrerpolicy="no-referrer" ' .
			'sandbox="allow-scripts allow-same-origin allow-forms allow-modals allow-downloads allow-popups allow-popups-to-escape-sandbox"></iframe></div>',
			esc_html__( 'Cartwheel', 'cartwheel' ),
			esc_html__( 'You are signed out of WordPress. Reload this page to go on.', 'cartwheel' ),
			esc_attr__( 'Cartwheel', 'cartwheel' ),
			esc_url( self::frame_url( $token ) )
		);
	}

	/**
	 * Answers the page's script with a fresh token.
	 */
	public static function renew() {
		nocache_headers();
		if ( ! current_user_can( self::CAPABILITY ) || ! check_ajax_referer( self::NONCE, 'nonce', false ) ) {
			wp_send_json_error( null, 403 );
		}
		$token = self::token();
		if ( null === $token ) {
			wp_send_json_error( null, 409 );
		}
		wp_send_json_success( array( 'token' => $token ) );
	}

	/**
	 * Brings the page's script and its few rules of style.
	 *
	 * @param string $hook The page's name.
	 */
	public static function add_script( $hook ) {
		if ( 'toplevel_page_' . self::SLUG !== $hook ) {
			return;
		}
		wp_enqueue_style( 'cartwheel-admin', plugins_url( 'assets/admin.css', CARTWHEEL_FILE ), array(), CARTWHEEL_VERSION );
		wp_enqueue_script( 'cartwheel-admin', plugins_url( 'assets/admin.js', CARTWHEEL_FILE ), array(), CARTWHEEL_VERSION, true );
		wp_localize_script(
			'cartwheel-admin',
			'cartwheelAdmin',
			array(
				'ajaxUrl' => admin_url( 'admin-ajax.php' ),
				'nonce'   => wp_create_nonce( self::NONCE ),
				'origin'  => Cartwheel_Settings::origin( Cartwheel_Settings::app_url() ),
			)
		);
	}

	/**
	 * Says that WooCommerce is missing; before WordPress 6.5 nothing else does.
	 */
	public static function miss_woocommerce() {
		if ( class_exists( 'WooCommerce' ) || ! current_user_can( 'activate_plugins' ) ) {
			return;
		}
		printf(
			'<div class="notice notice-warning"><p>%s</p></div>',
			esc_html__( 'Cartwheel needs WooCommerce. Switch it on, and carts are told again.', 'cartwheel' )
		);
	}

	/**
	 * Adds a link to the settings to the list of plugins.
	 *
	 * @param array $links WordPress'.
	 * @return array
	 */
	public static function add_links( $links ) {
		$url = admin_url( 'admin.php?page=' . Cartwheel_Settings_Page::SLUG );
		array_unshift( $links, sprintf( '<a href="%s">%s</a>', esc_url( $url ), esc_html__( 'Settings', 'cartwheel' ) ) );
		return $links;
	}

	/**
	 * Returns the frame's first address, which says the language of who is signed in.
	 *
	 * @param string $token A fresh token.
	 * @return string
	 */
	public static function frame_url( $token ) {
		return Cartwheel_Settings::app_url() . self::FRAME_PATH . '?' . self::PARAMETER . '=' . rawurlencode( $token ) .
			'&' . self::LANGUAGE . '=' . rawurlencode( get_user_locale() );
	}

	/**
	 * Makes a token for the person who is signed in here, or nothing where the shop is not connected.
	 *
	 * @return string|null
	 */
	private static function token() {
		$connection = Cartwheel_Connection::current();
		if ( ! $connection ) {
			return null;
		}
		return Cartwheel_Token::mint(
			$connection['secret'],
			$connection['signs'],
			$connection['id'],
			get_current_user_id(),
			Cartwheel_Settings::origin( admin_url() ),
			time(),
			bin2hex( random_bytes( 16 ) )
		);
	}

	/**
	 * Says what to do first.
	 */
	private static function show_unconnected() {
		$url = Cartwheel_Connection::connect_url();
		echo '<div class="wrap"><h1>' . esc_html__( 'Cartwheel', 'cartwheel' ) . '</h1>';
		if ( '' === $url ) {
			echo '<p>' . esc_html__( 'This copy of the plugin does not know your Cartwheel. Download it from the page on which you connect the shop, or set CARTWHEEL_APP_URL in wp-config.php.', 'cartwheel' ) . '</p>';
		} else {
			echo '<p>' . esc_html__( 'This shop is not connected yet. It takes two minutes: Cartwheel asks WooCommerce for a key, and you approve.', 'cartwheel' ) . '</p>';
			printf( '<p><a class="button button-primary" href="%s">%s</a></p>', esc_url( $url ), esc_html__( 'Connect this shop', 'cartwheel' ) );
		}
		echo '</div>';
	}
}
